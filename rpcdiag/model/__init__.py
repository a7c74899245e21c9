"""Small types that all stages name: where a packet is, what proves a claim, how sure we are."""
