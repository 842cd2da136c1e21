"""What is measured: one module per subject; each makes figures, `peers` makes entries of contenders."""
