"""Tables of orders and their payment and way to the member."""
