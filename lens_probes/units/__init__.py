"""Units: which test decides, every unit's row in the table, and what single units show of texts."""
