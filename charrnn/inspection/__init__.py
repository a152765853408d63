"""What a trained model has learned: its predictions, surprise, units and gradients, as numbers."""
