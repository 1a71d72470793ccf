"""How fast is tract, as ratios against its peers measured in the same run?"""
