"""The shapes of what the API takes and answers, with words and examples: what the OpenAPI document is made of."""
