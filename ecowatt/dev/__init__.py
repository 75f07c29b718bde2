"""What development needs and production never loads: embedded services, the demo home, `manage.py up`."""
