"""A capture in, read by us and by tshark; out: where the two agree, PDU by PDU, and every place where they do not."""
