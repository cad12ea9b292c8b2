"""What calls to image services cost: prices, the cost of one call, budgets."""
