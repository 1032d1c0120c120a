"""What a probe run says, shown: verdicts, a page, a picture. Nothing is computed again."""
