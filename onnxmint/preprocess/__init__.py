"""What a target wants of its pixels, as it is declared, and how images become exactly those pixels."""
