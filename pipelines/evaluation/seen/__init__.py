"""What is seen in the pictures of a model, measured by networks that train nothing they judge.

Read `judges` first: it says what each figure means and asks all others. `lpips` is how alike two
pictures look, `reading` where points and silhouettes are found, `movenet` the body's points once
more, `identity` whose face it is, `picture` what pixels say by themselves.
"""
