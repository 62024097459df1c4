"""Car parks: a council's CSV becomes answers and alerts in a chat."""
