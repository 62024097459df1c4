"""The log in one LMDB environment in one folder: topics, offsets and state share its transactions."""
