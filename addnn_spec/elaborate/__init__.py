"""From the syntax tree to the graph: names resolved, arguments checked, shapes derived."""
