"""What is read by people: tables, statistics, figures and one HTML page, made from records."""
