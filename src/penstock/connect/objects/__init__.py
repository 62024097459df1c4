"""What the object store sink is made of: paths of records, files of records, stores of files."""
