"""What an instructor does before an assignment is out: build, check, release, bundle."""
