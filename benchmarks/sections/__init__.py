"""The measurements, one module per subject; each makes figures, `peers` makes entries of contenders."""
