"""Images and masks: sources, splits, arrays, augmentation."""
