"""Fine-tuning: recipes, the loop, and a state that resumes exactly."""
