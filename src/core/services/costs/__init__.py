"""What calls cost: the ledger as the calls of a job use it, and budgets."""
