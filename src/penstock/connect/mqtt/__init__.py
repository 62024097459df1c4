"""What the MQTT source and the MQTT sink share."""
