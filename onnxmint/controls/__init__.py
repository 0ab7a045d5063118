"""Controls: is there another explanation than membership? Each gives one `Control` with what it found in words."""
