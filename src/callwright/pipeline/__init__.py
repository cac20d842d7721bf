"""RECIPE -> RUN FOLDER: the steps from data or functions to a tuned and measured model."""
