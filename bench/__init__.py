"""The budgets of the design that can be measured already, each with today's figure (``make bench``)."""
