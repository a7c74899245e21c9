"""One file = one kind of file that holds firewall rules; text in, a `RuleSet` out."""
