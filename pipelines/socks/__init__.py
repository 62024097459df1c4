"""Socks: a camera that recognises them, MQTT, and streaming SQL that finds pairs. `penstock demo socks` runs it."""
