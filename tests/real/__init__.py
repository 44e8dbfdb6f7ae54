"""Real programs that tests run against, built here where no package manager has them."""
