"""A trained model behind the API that everyone speaks: `callwright serve`, extra `serve`."""
