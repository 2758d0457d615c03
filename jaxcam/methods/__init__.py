"""Map methods: one function (params, images, labels, *, ...) -> maps each."""
