/** Begins a page that holds its numbers. */
const model = new Model(packInElement("description"));
model.show(packInElement("run"));
new Explorer(model);
