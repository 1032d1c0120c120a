"""Pre-trained networks ranked by their features, and how sure a prediction is."""
