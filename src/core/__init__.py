"""The pure core: photos, slots, jobs, deadlines and the rules between them. No I/O, no framework."""
