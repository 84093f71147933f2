"""What a server does by itself: jobs, the collection of garbage, verification, examinations."""
