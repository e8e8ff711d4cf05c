"""The OpenAPI 3.1 document of /v1/: drf-spectacular finds the addresses, the tables here say what passes."""
