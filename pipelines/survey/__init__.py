"""Survey: a chat bot asks, streaming SQL counts, a bar chart answers. `penstock demo survey` runs it."""
