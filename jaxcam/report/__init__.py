"""What a person looks at: heatmaps, sheets and tables."""
