"""How people are filmed: scenes, cameras, light, places, effects, and the engines that draw them."""
