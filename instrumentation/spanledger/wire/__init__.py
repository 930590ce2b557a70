"""Reading usage off the wire: one small module for each family of formats."""
