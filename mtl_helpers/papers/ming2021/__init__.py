"""Ming, Burie & Luqman (2021): photo-caricature recognition with weights for the hard task."""
