"""Safe conduct: refusing only harm, ignoring injected orders, treating groups alike, staying civil."""
