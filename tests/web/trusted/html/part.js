window.part = document.currentScript.parentElement.localName.toUpperCase();
document.getElementById('by-script').textContent = window.part;
