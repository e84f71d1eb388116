"""The description of the API (OpenAPI 3.1), with its examples and words."""
