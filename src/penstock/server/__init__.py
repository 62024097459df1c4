"""The doors by which programs of any language come in over the network: one process, one database, one port a door."""
