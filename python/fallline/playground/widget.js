// The page as a notebook's widget: its state is the model's, in a shadow root that keeps the styles apart.
export default {
  async render({model, el}) {
    const shadow = el.attachShadow({mode: "open"});
    const style = document.createElement("style");
    style.textContent = model.get("style_text");
    const root = document.createElement("div");
    shadow.append(style, root);
    const address = {
      read: () => model.get("state"),
      write: (text) => {
        model.set("state", text);
        model.save_changes();
      },
      link: (text) => `#${text}`,
    };
    let page = await main_js.mount(root, {bytes: main_js.decoded(WASM), address});
    model.on("change:state", async () => {
      if (model.get("state") !== page.encode())
        page = await main_js.mount(root, {bytes: main_js.decoded(WASM), address});
    });
  },
};
