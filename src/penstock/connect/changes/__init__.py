"""Change data capture: what PostgreSQL, MySQL and MariaDB write in their logs, as records."""
