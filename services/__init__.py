"""The services of ACKREP (catalog, scheduler, runner) and the few modules that they share."""
