"""Where the images come from: synthetic, Khanhha's set, folders and zips."""
