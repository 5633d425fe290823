"""What the scheduler needs of the world, by what it is for."""
