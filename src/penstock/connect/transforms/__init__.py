"""Single message transforms and predicates, for sources and sinks alike: one definition is the registration and the documentation."""
