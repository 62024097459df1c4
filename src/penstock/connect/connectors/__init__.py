"""The connectors: one file each, holding its options, its code and its documentation as DEFINITION."""
