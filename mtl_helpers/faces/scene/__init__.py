"""What is photographed and how: cameras, lights, looks."""
