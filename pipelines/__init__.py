"""Whole systems on Penstock, each a folder: its SQL, its programs, its configuration and a README."""
