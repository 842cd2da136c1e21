"""The transforms that come with brinery, a module for each; found by name, imported on use."""
