"""Mathematics: problems whose answers are exact."""
